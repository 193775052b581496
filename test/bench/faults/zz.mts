import { F1 } from "/work/wt/dur/test/bench/faults/service-faults.ts";
import { mkdtempSync } from "node:fs";
const seed=Number(process.argv[2]??1), runs=Number(process.argv[3]??4), which=process.argv[4];
let a=seed; const random=()=>{ a=(a+0x6d2b79f5)>>>0; let t=Math.imul(a^(a>>>15),a|1); t=(t+Math.imul(t^(t>>>7),t|61))^t; return ((t^(t>>>14))>>>0)/4294967296; };
const dir=mkdtempSync("/tmp/f1-"); console.log(dir);
const f = which? F1.controls[which]! : F1.run;
const t=performance.now(); console.log(await f({seed,runs,dir,random}), ((performance.now()-t)/1000).toFixed(1),"s");
process.exit(0);

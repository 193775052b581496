#!/usr/bin/env node
// The one binary. In a checkout it installs and builds first where needed; in an installed package it only runs.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureBuilt, ensureInstalled, root } from "./setup.js";

ensureInstalled();
ensureBuilt();
const { main } = await import(pathToFileURL(join(root, "dist", "src", "cli", "index.js")).href);
await main(process.argv);

/** `1 alarm`, `2 alarms`: a number and what it counts. */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

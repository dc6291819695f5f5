// Makes altered calls into a CommonJS module and says what came of each, a line each: `node replay.cjs CASES OUTPUT`.
"use strict";
const fs = require("fs");
const path = require("path");
const { shown } = require(path.join(__dirname, "observe.cjs"));

function unpacked(value) {
  if (value === null || typeof value !== "object") return value;
  if ("d" in value) return Object.fromEntries(value.d.map(([key, each]) => [key, unpacked(each)]));
  return (value.l || value.t).map(unpacked);
}

const job = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const loaded = require(job.module);
const fn = job.name ? loaded[job.name] : loaded;
job.calls.forEach((call, number) => {
  let said;
  try { said = { output: shown(fn(...call.args.map(unpacked))) }; } catch (error) { said = { error: String(error && error.name) }; }
  fs.appendFileSync(process.argv[3], JSON.stringify({ number, ...said }) + "\n");
});

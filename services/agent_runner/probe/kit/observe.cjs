// Writes down the calls that others make into changed CommonJS modules. Loaded by every Node of a check, see observe.py.
"use strict";
const fs = require("fs");
const path = require("path");
const Module = require("module");

const home = process.env.OBRAPROBE || "";
const CALLS_MAX = 40, CHARS_MAX = 16384, DEPTH_MAX = 12;
let deep = false;

function packed(value, depth = 0) {
  if (depth > DEPTH_MAX) throw new TypeError("nested too deep");
  if (value === null || ["string", "boolean"].includes(typeof value)) return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (Array.isArray(value)) return { l: value.map((each) => packed(each, depth + 1)) };
  if (typeof value === "object" && [Object.prototype, null].includes(Object.getPrototypeOf(value)))
    return { d: Object.entries(value).map(([key, each]) => [key, packed(each, depth + 1)]) };
  throw new TypeError(typeof value);
}

function shown(value) {
  if (typeof value === "string") return value.slice(0, CHARS_MAX);
  if (value === undefined) return "undefined";
  packed(value);
  return JSON.stringify(value).slice(0, CHARS_MAX);
}

function watched(fn, file, name) {
  const seen = new Set();
  return new Proxy(fn, {
    apply(target, self, args) {
      let noted = null;
      if (!deep && seen.size < CALLS_MAX) {
        try {
          const text = JSON.stringify({ args: args.map((each) => packed(each)), kwargs: {} });
          if (text.length <= CHARS_MAX && !seen.has(text)) { seen.add(text); noted = JSON.parse(text); }
        } catch (error) { if (!(error instanceof TypeError)) throw error; }
      }
      const before = deep;
      let result;
      deep = true;
      try { result = Reflect.apply(target, self, args); } finally { deep = before; }
      if (noted) {
        try { noted.output = shown(result); } catch (error) { return result; }
        Object.assign(noted, { kind: "node", file, module: file, name, path: [], interpreter: process.execPath, cwd: process.cwd() });
        fs.appendFileSync(path.join(home, `calls-${process.pid}.jsonl`), JSON.stringify(noted) + "\n");
      }
      return result;
    },
  });
}

function begin() {
  let files;
  try {
    files = new Set(fs.readFileSync(path.join(home, "changed"), "utf8").split("\0").filter((f) => /\.c?js$/.test(f)));
  } catch { return; }
  if (!files.size) return;
  const load = Module._load, done = new WeakMap();
  Module._load = function (request, parent, isMain) {
    const loaded = load.apply(this, arguments);
    let file = "";
    try { file = fs.realpathSync(Module._resolveFilename(request, parent, isMain)); } catch { return loaded; }
    if (!files.has(file) || isMain || loaded === null || !["object", "function"].includes(typeof loaded)) return loaded;
    if (done.has(loaded)) return done.get(loaded);
    let seen = loaded;
    if (typeof loaded === "function" && !/^class\b/.test(Function.prototype.toString.call(loaded)))
      seen = watched(loaded, file, "");
    else if (typeof loaded === "object")
      for (const [name, value] of Object.entries(loaded))
        if (typeof value === "function" && !/^(class|async|function\s*\*)\b/.test(Function.prototype.toString.call(value)))
          try { loaded[name] = watched(value, file, name); } catch { /* a frozen module stays as it is */ }
    done.set(loaded, seen);
    return seen;
  };
}

if (home && !process.env.OBRAREPLAY) begin();
module.exports = { packed, shown };

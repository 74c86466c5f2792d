// jq, as jq-wasm has it, on the command line: with_jq.js PROGRAM, and JSON on standard input.
const jq = require("jq-wasm");

const [flags, program] = process.argv[2] === "--version" ? [["--version"], "."] : [["-c"], process.argv[2]];
const text = require("fs").readFileSync(0, "utf8");
jq.raw(text, program, flags).then(console.log);

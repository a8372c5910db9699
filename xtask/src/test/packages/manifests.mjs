// Writes a program of TypeScript in which each object of the manifests has its type of the API: the compiler then finds members that are
// unknown, missing or of the wrong kind.
import { readFileSync } from "node:fs";
import { loadAll } from "js-yaml";

const packages = {
  "monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
  "apps/v1": "kubernetes-models/apps/v1",
  v1: "kubernetes-models/v1",
};
let number = 0;
for (const file of process.argv.slice(2)) {
  for (const object of loadAll(readFileSync(file, "utf8"))) {
    number += 1;
    const from = packages[object.apiVersion];
    if (!from) throw new Error(`${file}: no types of ${object.apiVersion} ${object.kind}`);
    console.log(`import type { I${object.kind} as Type${number} } from "${from}";`);
    console.log(`export const object${number}: Type${number} = ${JSON.stringify(object, null, 2)};`);
  }
}

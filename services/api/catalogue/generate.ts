import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { readEngine } from './read.ts'

/** Writes the views of the pinned engine: `npx tsx services/api/catalogue/generate.ts`. */
const binary = resolve(import.meta.dirname, '../../../node_modules/opencode-linux-x64/bin/opencode')
for (const [name, content] of Object.entries((await readEngine(binary)).catalogue)) {
  writeFileSync(join(import.meta.dirname, name), `${JSON.stringify(content, undefined, 1)}\n`)
}

// `npm run generate`: writes every file that is made from the types, the values and the tables.
import { mkdirSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateFiles } from './lib/generate/files.ts'
import { UserError, main } from './lib/user-error.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

await main(async () => {
  const unknown = process.argv[2]
  if (unknown !== undefined)
    throw new UserError(`unknown argument "${unknown}". npm run generate takes none.`)
  const started = performance.now()
  const files = await generateFiles(root)
  let written = 0
  for (const [path, content] of files) {
    const file = join(root, path)
    if (existsSync(file) && readFileSync(file, 'utf8') === content) continue
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
    process.stdout.write(`wrote ${path}\n`)
    written += 1
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  process.stdout.write(`${files.size} generated files, ${written} changed, ${seconds} s\n`)
})

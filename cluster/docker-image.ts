import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'
import { linkOrCopy } from './files.ts'

// The classic builder needs no plugin: Debian's docker.io comes without BuildKit's.
const docker = $({ quiet: true, env: { ...process.env, DOCKER_BUILDKIT: '0' } })

/** Whether an image is in the Docker daemon's store. */
export async function imageExists(ref: string): Promise<boolean> {
  return (await $({ quiet: true, nothrow: true })`docker image inspect --format ok ${ref}`).exitCode === 0
}

/** Builds an image from a Dockerfile and a context folder. */
export async function buildImage(ref: string, dockerfile: string, context: string, options: readonly string[] = []): Promise<void> {
  await docker`docker build --quiet ${options} --tag ${ref} --file ${dockerfile} ${context}`
}

/** Builds an image of one static program on nothing; `links` are further absolute paths of the same program. */
export async function buildProgramImage(ref: string, program: string, file: string, work: string): Promise<void> {
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  await linkOrCopy(file, join(work, program))
  const lines = ['FROM scratch', 'ENV PATH=/usr/local/bin:/usr/bin:/bin', `COPY ${program} /usr/local/bin/`, `ENTRYPOINT ["${program}"]`]
  writeFileSync(join(work, 'Dockerfile'), `${lines.join('\n')}\n`)
  await buildImage(ref, join(work, 'Dockerfile'), work)
  rmSync(work, { recursive: true, force: true })
}

/** Hash over files (whole folders in name order): a name for what was made from them. */
export function hashFiles(paths: readonly string[], extra = ''): string {
  const hash = createHash('sha256').update(extra)
  const add = (path: string): void => {
    if (statSync(path).isDirectory()) for (const name of readdirSync(path).sort()) add(join(path, name))
    else hash.update(path.split('/').pop() ?? '').update(readFileSync(path))
  }
  for (const path of paths) add(path)
  return hash.digest('hex').slice(0, 12)
}

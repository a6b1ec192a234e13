import { createHash } from 'node:crypto'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { $ } from 'zx'
import { linkOrCopy } from './files.ts'

// The classic builder needs no plugin: Debian's docker.io comes without BuildKit's.
const docker = $({ quiet: true, env: { ...process.env, DOCKER_BUILDKIT: '0' } })

/** Whether an image is in the Docker daemon's store. */
export async function imageExists(ref: string): Promise<boolean> {
  return (
    (await $({ quiet: true, nothrow: true })`docker image inspect --format ok ${ref}`).exitCode ===
    0
  )
}

/** Builds an image from a Dockerfile and a context folder. */
export async function buildImage(
  ref: string,
  dockerfile: string,
  context: string,
  options: readonly string[] = [],
): Promise<void> {
  await docker`docker build --quiet ${options} --tag ${ref} --file ${dockerfile} ${context}`
}

/** An image of one static program on nothing. */
export interface ProgramImage {
  /** Name that the program has in the image when no path is given: it lies in /usr/local/bin. */
  readonly program: string
  /** Path of the built program on this machine. */
  readonly file: string
  /** Absolute path in the image. Default `/usr/local/bin/<program>`. */
  readonly path?: string
  /** Further absolute path that links to it; the entry point, where the program goes by its name. */
  readonly link?: string
  /** User that it runs as. Default root; pods with `runAsNonRoot` refuse that. */
  readonly user?: number
}

/** Builds a {@link ProgramImage}; its entry point is the program. */
export async function buildProgramImage(ref: string, image: ProgramImage): Promise<void> {
  const path = image.path ?? `/usr/local/bin/${image.program}`
  const entry = image.link ?? path
  const work = mkdtempSync(join(tmpdir(), 'program-image-'))
  try {
    await linkOrCopy(image.file, join(work, 'root', path))
    if (image.link !== undefined) {
      mkdirSync(dirname(join(work, 'links', image.link)), { recursive: true })
      symlinkSync(path, join(work, 'links', image.link))
    }
    const user = image.user === undefined ? [] : [`USER ${image.user}`]
    const lines = [
      'FROM scratch',
      'ENV PATH=/usr/local/bin:/usr/bin:/bin',
      'COPY root/ /',
      // A layer apart: images of one program under several names share the program's.
      ...(image.link === undefined ? [] : ['COPY links/ /']),
      ...user,
      `ENTRYPOINT ["${entry}"]`,
    ]
    writeFileSync(join(work, 'Dockerfile'), `${lines.join('\n')}\n`)
    await buildImage(ref, join(work, 'Dockerfile'), work)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Hash over files (whole folders in name order): a name for what was made from them. */
export function hashFiles(paths: readonly string[], extra = ''): string {
  const hash = createHash('sha256').update(extra)
  const add = (path: string): void => {
    if (statSync(path).isDirectory())
      for (const name of readdirSync(path).sort()) add(join(path, name))
    else hash.update(path.split('/').pop() ?? '').update(readFileSync(path))
  }
  for (const path of paths) add(path)
  return hash.digest('hex').slice(0, 12)
}

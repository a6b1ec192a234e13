import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { UserError } from '../user-error.ts'
import { webInterface } from './web-interface.ts'
import { billOfMaterials, packageFolders } from './sbom.ts'

/** What one image carries. */
export interface Component {
  /** Program → its source file. Becomes `dist/services/<component>/<program>.mjs`. */
  readonly programs: Readonly<Record<string, string>>
  /** Folders that are read at run time and so are copied beside the programs. */
  readonly folders?: readonly string[]
  /** npm packages that the image copies whole. */
  readonly packages?: readonly string[]
  /** Whether it serves OpenCode's web interface, from the folder `web`. @default false */
  readonly web?: boolean
}

/** The four images' programs. */
export const components: Readonly<Record<string, Component>> = {
  api: {
    programs: {
      api: 'services/api/main.ts',
      migrate: 'services/api/migrate.ts',
      secrets: 'services/api/secrets.ts',
      smoke: 'services/api/smoke.ts',
      admin: 'services/api/admin/main.ts',
    },
    folders: ['services/api/migrations', 'services/api/bin'],
    web: true,
  },
  websocket: { programs: { websocket: 'services/websocket/main.ts' } },
  worker: { programs: { worker: 'services/worker/main.ts' } },
  sandbox: {
    programs: { sandbox: 'services/sandbox/main.ts' },
    folders: ['services/sandbox/shell'],
    packages: ['opencode-linux-x64'],
  },
}

/** CommonJS packages in an ES module look for these. */
const banner = [
  `import { createRequire as __createRequire } from 'node:module'`,
  `import { fileURLToPath as __fileURLToPath } from 'node:url'`,
  'const require = __createRequire(import.meta.url)',
  'const __filename = __fileURLToPath(import.meta.url)',
  `const __dirname = __fileURLToPath(new URL('.', import.meta.url))`,
].join(';')

/**
 * Bundles one component to `dist/services/<name>` with source maps and a bill of materials.
 * @returns bytes of each program
 * @throws UserError when there is no such component or a program's source is missing
 */
export async function bundle(root: string, name: string): Promise<Record<string, number>> {
  const component = components[name]
  if (component === undefined)
    throw new UserError(
      `no component named "${name}". Known: ${Object.keys(components).join(', ')}.`,
    )
  for (const source of Object.values(component.programs)) {
    if (!existsSync(join(root, source)))
      throw new UserError(`${source} is missing: ${name} cannot be built.`)
  }
  const outdir = join(root, 'dist', 'services', name)
  rmSync(outdir, { recursive: true, force: true })
  mkdirSync(outdir, { recursive: true })
  const result = await build({
    absWorkingDir: root,
    entryPoints: { ...component.programs },
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    sourcemap: true,
    sourcesContent: false,
    metafile: true,
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: true,
    legalComments: 'none',
    logLevel: 'warning',
    banner: { js: banner },
    // Optional accelerators that pg and ws try to load and do without.
    external: ['pg-native', 'bufferutil', 'utf-8-validate'],
  })
  for (const folder of component.folders ?? []) {
    if (existsSync(join(root, folder)))
      cpSync(join(root, folder), join(outdir, folder.slice(folder.lastIndexOf('/') + 1)), {
        recursive: true,
      })
  }
  if (component.web === true)
    cpSync(await webInterface(root), join(outdir, 'web'), { recursive: true })
  const copied = (component.packages ?? []).map((entry) => `node_modules/${entry}`)
  const folders = [...packageFolders(Object.keys(result.metafile.inputs)), ...copied].sort()
  writeFileSync(
    join(outdir, 'sbom.cdx.json'),
    `${JSON.stringify(billOfMaterials(root, `opencode-${name}`, folders), null, 1)}\n`,
  )
  const sizes = Object.keys(component.programs).map((program) => {
    const output = result.metafile.outputs[`dist/services/${name}/${program}.mjs`]
    return [`${name}/${program}.mjs`, output?.bytes ?? 0] as const
  })
  return Object.fromEntries(sizes)
}

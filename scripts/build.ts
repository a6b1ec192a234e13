// `npm run build [-- api|websocket|worker|sandbox …]`: one file per program of each image, to dist/services.
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle, components } from './lib/build/bundle.ts'
import { main } from './lib/user-error.ts'

await main(async () => {
  const root = dirname(dirname(fileURLToPath(import.meta.url)))
  const names = process.argv.slice(2)
  const started = performance.now()
  for (const name of names.length > 0 ? names : Object.keys(components)) {
    for (const [file, bytes] of Object.entries(await bundle(root, name))) {
      process.stdout.write(`dist/services/${file}  ${Math.round(bytes / 1024).toString()} KiB\n`)
    }
  }
  process.stdout.write(`built in ${((performance.now() - started) / 1000).toFixed(1)} s\n`)
})

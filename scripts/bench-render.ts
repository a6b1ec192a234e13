// `npm run bench:render [-- us|eu|apac|FILE]`: the time of rendering a whole region over that of `helm version`, in one run.
import { measure, valuesFile } from './lib/bench/render.ts'
import { UserError, main } from './lib/user-error.ts'
import { cliTools, ensureTools } from '../cluster/tools.ts'

const limit = 3
const rounds = 31

await main(async () => {
  const [argument = 'us', surplus] = process.argv.slice(2)
  if (surplus !== undefined)
    throw new UserError(
      `unknown argument "${surplus}". npm run bench:render takes one region or values file.`,
    )
  const file = valuesFile(argument)
  await ensureTools(
    cliTools.filter(({ name }) => name.startsWith('helm')),
    (line) => {
      process.stdout.write(`${line}\n`)
    },
  )
  let over = false
  for (const helm of ['helm4', 'helm3'] as const) {
    const { objects, version, template } = await measure(helm, file, rounds)
    const ratio = template / version
    over ||= ratio > limit
    const times = `helm version ${version.toFixed(0)} ms, helm template of ${objects.toString()} objects ${template.toFixed(0)} ms`
    process.stdout.write(
      `${helm}: ${times}, ratio ${ratio.toFixed(2)} (at most ${limit.toString()})\n`,
    )
  }
  if (over) process.exitCode = 1
})

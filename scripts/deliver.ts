// `npm run deliver [-- canary blue-green bad-version rolling]`: new versions of the API under load on the local production profile.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../cluster/paths.ts'
import {
  aborted,
  blueGreen,
  canary,
  restore,
  rolling,
  type BadDelivery,
  type Delivery,
} from '../test/delivery/deliveries.ts'
import { complaints } from '../test/delivery/load.ts'
import { UserError, main } from './lib/user-error.ts'

const deliveries: Readonly<Record<string, () => Promise<Delivery | BadDelivery>>> = {
  canary,
  'blue-green': blueGreen,
  'bad-version': aborted,
  rolling,
}
const folder = join(root, '.cache', 'delivery')
const say = (text: string): void => void process.stdout.write(`${text}\n`)

function describe(name: string, delivery: Delivery | BadDelivery): void {
  const { seen, seconds, shares } = delivery
  say(`${name}: ${seconds} s, ${seen.sent} requests, ${seen.failures.length} failed`)
  for (const { kind, events, connects, faults } of seen.readers) {
    say(
      `  ${kind}: ${events} events over ${connects} connections, ${faults.missing} missing, ${faults.repeated} repeated`,
    )
  }
  for (const { weight, measured } of shares)
    say(`  weight ${weight} %: ${(100 * measured).toFixed(1)} % of the requests`)
  if ('message' in delivery) say(`  ${delivery.message}; ${delivery.late} failures after the abort`)
}

/** A bad version may fail requests; it must have been aborted, and events and later requests must not have suffered. */
function judge(name: string, delivery: Delivery | BadDelivery): string[] {
  if (!('message' in delivery)) return complaints(delivery.seen)
  const share = delivery.seen.failures.length / delivery.seen.sent
  const late = delivery.late > 0 ? [`${delivery.late} requests failed after the abort`] : []
  const wide =
    share > 0.2
      ? [`${(100 * share).toFixed(1)} % of all requests failed, more than the canary had`]
      : []
  const none =
    delivery.seen.failures.length === 0 ? [`${name} failed no request: it proves nothing`] : []
  return [...complaints({ ...delivery.seen, failures: [] }), ...late, ...wide, ...none]
}

await main(async () => {
  const names = process.argv.slice(2)
  const unknown = names.find((name) => deliveries[name] === undefined)
  if (unknown !== undefined)
    throw new UserError(
      `unknown delivery "${unknown}". Known: ${Object.keys(deliveries).join(', ')}.`,
    )
  mkdirSync(folder, { recursive: true })
  const wrong: string[] = []
  for (const [name, deliver] of Object.entries(deliveries)) {
    if (names.length > 0 && !names.includes(name)) continue
    try {
      const delivery = await deliver()
      describe(name, delivery)
      writeFileSync(join(folder, `${name}.json`), JSON.stringify(delivery, null, 1))
      wrong.push(...judge(name, delivery).map((text) => `${name}: ${text}`))
    } finally {
      await restore()
    }
  }
  if (wrong.length > 0) throw new UserError(wrong.join('\n'))
})

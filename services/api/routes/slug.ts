import { randomInt } from 'node:crypto'

const first = [
  'brave',
  'bright',
  'calm',
  'clever',
  'eager',
  'gentle',
  'happy',
  'kind',
  'lively',
  'lucky',
  'merry',
  'nimble',
  'proud',
  'quick',
  'quiet',
  'swift',
]
const second = [
  'brook',
  'cloud',
  'comet',
  'falcon',
  'forest',
  'harbor',
  'island',
  'lynx',
  'meadow',
  'moon',
  'otter',
  'panda',
  'river',
  'rocket',
  'star',
  'willow',
]

/** A short name for a session, as the engine gives one. */
export function slug(): string {
  return `${first[randomInt(first.length)] ?? ''}-${second[randomInt(second.length)] ?? ''}`
}

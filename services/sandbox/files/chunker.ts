/** Bounds of a chunk, bytes. The average follows from the masks below. */
const SMALLEST = 16 * 2 ** 10
const AVERAGE = 64 * 2 ** 10
const LARGEST = 256 * 2 ** 10

/** Two bits more than the average's 16 before it and two fewer after it keep sizes near it. */
const EARLY = 0xff_ff_c0_00
const LATE = 0xff_fc_00_00

/** One random word for each byte; any table will do that never changes. */
const gear = (() => {
  const table = new Uint32Array(256)
  let state = 0x9e_37_79_b9
  for (let index = 0; index < table.length; index++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    table[index] = state
  }
  return table
})()

/**
 * Where the chunk that begins at `from` ends: at a place that its content decides, so that an insertion moves only the
 * ends near it. FastCDC's gear hash with two masks.
 * @param isLast - Whether `data` ends where the file does.
 * @returns undefined where more data is needed to say
 * @see https://www.usenix.org/conference/atc16/technical-sessions/presentation/xia
 */
export function chunkEnd(data: Uint8Array, from: number, isLast: boolean): number | undefined {
  const available = data.length - from
  if (available < LARGEST && !isLast) return undefined
  if (available <= SMALLEST) return data.length
  const middle = Math.min(data.length, from + AVERAGE)
  const end = Math.min(data.length, from + LARGEST)
  let hash = 0
  let at = from + SMALLEST
  for (; at < middle; at++) {
    hash = ((hash << 1) + (gear[data[at] ?? 0] ?? 0)) | 0
    if ((hash & EARLY) === 0) return at + 1
  }
  for (; at < end; at++) {
    hash = ((hash << 1) + (gear[data[at] ?? 0] ?? 0)) | 0
    if ((hash & LATE) === 0) return at + 1
  }
  return end
}

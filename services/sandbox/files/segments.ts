import { createHash } from 'node:crypto'
import type { Found } from './walk.ts'

/** Files up to this size share a chunk with their neighbours, bytes. */
export const smallFile = 32 * 2 ** 10
/** One entry in 16 ends a leaf, */
const ENDS = 2 ** 16 / 16
/** and a small file does the more likely the larger it is: a leaf's contents are near this size, bytes. */
const BLOB_SIZE = 96 * 2 ** 10
/** Most entries of a leaf, and most bytes of its small files, whatever they are called. */
const MOST = { entries: 512, bytes: 2 ** 20 }

/** Neighbours that become one leaf. */
export interface Segment {
  readonly entries: readonly Found[]
  /** Changes whenever one of the entries does. */
  readonly signature: string
}

/**
 * Cuts what a walk has found into leaves. Each entry decides by itself whether it is a leaf's last, so that a change
 * moves no other's end.
 */
export function* segmentsOf(found: Iterable<Found>): Generator<Segment> {
  let entries: Found[] = []
  let bytes = 0
  for (const entry of found) {
    const { kind, stat, path } = entry
    const size = kind === 'f' && stat.size <= smallFile ? Number(stat.size) : 0
    entries.push(entry)
    bytes += size
    const isLast = (hashOf(path) & 0xff_ff) < ENDS + (size / BLOB_SIZE) * 2 ** 16
    if (!isLast && entries.length < MOST.entries && bytes < MOST.bytes) continue
    yield sign(entries)
    entries = []
    bytes = 0
  }
  if (entries.length > 0) yield sign(entries)
}

function sign(entries: Found[]): Segment {
  const hash = createHash('sha256')
  for (const { signature } of entries) hash.update(signature).update('\n')
  return { entries, signature: hash.digest('base64') }
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x81_1c_9d_c5
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01_00_01_93)
  return hash ^ (hash >>> 15)
}

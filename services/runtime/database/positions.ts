import { lsnBytes, type Lsn } from './lsn.ts'

/**
 * Where the primary's WAL was, and when. A replica's lag is the age of the first sample it has not replayed yet. Unlike
 * `pg_last_xact_replay_timestamp` this is zero on an idle primary and grows when the replica has lost its connection to it;
 * while the primary is away it stands still, so replicas keep answering.
 */
export class PrimaryPositions {
  #samples: { at: number; bytes: bigint }[] = []
  readonly #keep: number

  /** @param keep samples to remember; older ones are as good as the oldest kept */
  constructor(keep = 600) {
    this.#keep = keep
  }

  add(lsn: Lsn, at: number): void {
    const bytes = lsnBytes(lsn)
    const last = this.#samples.at(-1)
    // A position that goes back is another timeline: a failover. What was known before says nothing about it.
    if (last !== undefined && bytes < last.bytes) this.#samples = []
    // An unchanged position keeps its first time: a replica behind it has been so since then.
    if (last?.bytes === bytes) return
    this.#samples.push({ at, bytes })
    if (this.#samples.length > this.#keep) this.#samples.shift()
  }

  /** Milliseconds for which a replica at `lsn` has been behind; 0 where it is not. */
  lagMs(lsn: Lsn, now: number): number {
    const bytes = lsnBytes(lsn)
    const behind = this.#samples.find((sample) => sample.bytes > bytes)
    return behind === undefined ? 0 : Math.max(0, now - behind.at)
  }
}

import { Queue } from 'bullmq'
import { keyPrefix, type RedisClient } from '../../runtime/redis.ts'

/** What the queue carries: no contents, only where to ask and with what. */
export interface TurnJob {
  turnId: string
  token: string
  traceparent?: string
}

/** Longest wait for Redis; a turn that could not be queued is queued later from PostgreSQL. */
const TIMEOUT = 3_000

/** The queue that workers take turns from. */
export class TurnQueue {
  readonly #queue: Queue<TurnJob>
  readonly #redis: RedisClient

  constructor(connection: RedisClient, onError: (error: unknown) => void) {
    this.#redis = connection
    this.#queue = new Queue<TurnJob>('turns', {
      prefix: keyPrefix,
      connection,
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
    })
    this.#queue.on('error', onError)
  }

  /** Puts one attempt of a turn into the queue; the same attempt twice is one job. */
  async add(job: TurnJob, attempt: number): Promise<void> {
    await within(this.#queue.add('turn', job, { jobId: `${job.turnId}-${attempt.toString()}` }))
  }

  /** Takes an attempt out again, unless a worker has it. */
  async remove(turnID: string, attempt: number): Promise<void> {
    await within(this.#queue.remove(`${turnID}-${attempt.toString()}`))
  }

  /** Which of these attempts the queue knows nothing of. */
  async missing(jobs: readonly { turnID: string; attempt: number }[]): Promise<Set<string>> {
    const found = await within(
      Promise.all(
        jobs.map(({ turnID, attempt }) =>
          this.#queue.getJobState(`${turnID}-${attempt.toString()}`),
        ),
      ),
    )
    return new Set(
      jobs.filter((_, index) => found[index] === 'unknown').map(({ turnID }) => turnID),
    )
  }

  /** How many jobs are in each state. */
  async counts(): Promise<Record<string, number>> {
    return within(this.#queue.getJobCounts('waiting', 'active', 'delayed', 'prioritized', 'failed'))
  }

  /** @throws Error when Redis does not answer in time */
  async ping(): Promise<void> {
    await within(this.#redis.ping())
  }

  async close(): Promise<void> {
    await this.#queue.close()
  }
}

async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`Redis did not answer within ${TIMEOUT.toString()} ms`))
    }, TIMEOUT)
  })
  work.catch(() => undefined)
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

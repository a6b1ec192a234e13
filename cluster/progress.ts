/** Prints steps with their elapsed time and a sign of life at least twice a minute. */
export interface Progress {
  /** Runs one step: its title when it starts, its time when it ends. Errors pass through unchanged. */
  step<T>(title: string, run: () => Promise<T>): Promise<T>
  /** One line of detail; also what the next sign of life repeats. */
  line(text: string): void
  /** Seconds of each step that ended, in order. */
  readonly timings: readonly StepTiming[]
}

/** One finished step. */
export interface StepTiming {
  readonly title: string
  readonly seconds: number
}

/** Seconds as people read them: `7 s`, `3 min 05 s`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`
}

/**
 * A progress printer. `now` and `write` are the clock (milliseconds) and the output; `heartbeat` is the longest silence in
 * milliseconds (default 20 s).
 */
export function createProgress(
  options: { now?: () => number; write?: (text: string) => void; heartbeat?: number } = {},
): Progress {
  const now = options.now ?? Date.now
  const write = options.write ?? ((text: string): void => void process.stdout.write(text))
  const timings: StepTiming[] = []
  const started = now()
  let lastOutput = started
  let detail = ''
  let since = started
  const print = (text: string): void => {
    lastOutput = now()
    write(`[${formatSeconds((now() - started) / 1000).padStart(12)}] ${text}\n`)
  }
  return {
    timings,
    line(text) {
      detail = text
      since = now()
      print(`  ${text}`)
    },
    async step(title, run) {
      const begin = now()
      detail = ''
      since = begin
      print(`▸ ${title}`)
      const silence = options.heartbeat ?? 20_000
      const timer = setInterval(
        () => {
          if (now() - lastOutput < silence) return
          print(`  … ${detail || title}, ${formatSeconds((now() - since) / 1000)} so far`)
        },
        Math.min(1000, silence),
      )
      try {
        const result = await run()
        const seconds = (now() - begin) / 1000
        timings.push({ title, seconds })
        print(`✔ ${title} (${formatSeconds(seconds)})`)
        return result
      } finally {
        clearInterval(timer)
      }
    },
  }
}

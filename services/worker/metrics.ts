import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { WorkerMetrics } from './worker.ts'

/** The worker's metrics, under the names that dashboards and autoscalers use. */
export class Metrics implements WorkerMetrics {
  readonly registry = new Registry()
  readonly #turns = new Counter({
    name: 'opencode_turns_total',
    help: 'Turns taken, by how they ended',
    labelNames: ['outcome'],
    registers: [this.registry],
  })
  readonly #duration = new Histogram({
    name: 'opencode_turn_duration_seconds',
    help: 'Time from taking a turn to its end',
    buckets: [0.5, 1, 5, 10, 30, 60, 300, 900, 3600],
    registers: [this.registry],
  })
  readonly #tools = new Histogram({
    name: 'opencode_tool_execution_seconds',
    help: 'Tool execution duration',
    labelNames: ['tool'],
    buckets: [0.1, 0.5, 1, 5, 10, 30, 60],
    registers: [this.registry],
  })
  readonly #busy = new Gauge({
    name: 'opencode_worker_busy',
    help: 'Turns under way',
    registers: [this.registry],
  })
  readonly #draining = new Gauge({
    name: 'opencode_draining',
    help: '1 while shutting down',
    registers: [this.registry],
  })
  readonly #lost = new Counter({
    name: 'opencode_sandbox_lost_total',
    help: 'Sandboxes that ended under a turn',
    labelNames: ['reason'],
    registers: [this.registry],
  })
  readonly #dead = new Counter({
    name: 'opencode_dead_letter_total',
    help: 'Turns given up',
    registers: [this.registry],
  })

  constructor() {
    collectDefaultMetrics({ register: this.registry })
  }

  turn(outcome: string, seconds: number): void {
    this.#turns.inc({ outcome })
    this.#duration.observe(seconds)
  }

  tool(tool: string, seconds: number): void {
    this.#tools.observe({ tool }, seconds)
  }

  busy(turns: number): void {
    this.#busy.set(turns)
  }

  draining(): void {
    this.#draining.set(1)
  }

  sandboxLost(reason: string): void {
    this.#lost.inc({ reason })
  }

  deadLetter(): void {
    this.#dead.inc()
  }
}

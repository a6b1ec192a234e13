import type { Drill } from '../lib/drill.ts'
import { primaryHung, primaryKilled, switchover } from './database.ts'
import { nodeKilled, nodePartitioned } from './nodes.ts'
import { apiPod, redisPods, workerMidTurn } from './pods.ts'

/** All drills, mildest first. */
export const drills: readonly Drill[] = [
  apiPod,
  workerMidTurn,
  redisPods,
  switchover,
  primaryKilled,
  primaryHung,
  nodeKilled,
  nodePartitioned,
]

/** The drills that `npm test` runs; the rest run with `npm run drill`. */
export const quick: readonly string[] = ['api-pod', 'worker-mid-turn', 'primary-killed', 'node-killed']

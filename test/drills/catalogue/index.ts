import type { Drill } from '../lib/drill.ts'
import { primaryHung, primaryKilled, switchover } from './database.ts'
import { knownBad, nodeKilled, nodePartitioned, operatorAndPrimary, zoneKilled } from './nodes.ts'
import { completeOutage } from './outage.ts'
import { apiPod, redisPods, workerMidTurn } from './pods.ts'
import { regionLost } from './region.ts'
import { diskFull, restorePointInTime, storeDown } from './storage.ts'

/** All drills, mildest first; the one that takes everything away is the last. */
export const drills: readonly Drill[] = [
  apiPod,
  workerMidTurn,
  redisPods,
  switchover,
  primaryKilled,
  primaryHung,
  storeDown,
  nodeKilled,
  nodePartitioned,
  operatorAndPrimary,
  zoneKilled,
  diskFull,
  restorePointInTime,
  knownBad,
  regionLost,
  completeOutage,
]

/** The drills that `npm test` runs; the rest run with `npm run drill`. */
export const quick: readonly string[] = [
  'api-pod',
  'worker-mid-turn',
  'primary-killed',
  'node-killed',
]

import type { TransactionOptions } from '../../runtime/database/index.ts'

/** A transaction that was cut off before its COMMIT has done nothing, so it can be run again. */
export const again: TransactionOptions = { attempts: 3 }

export { classify, type Statement, type StatementType, type PrimaryReason } from './classify.ts'
export {
  certificateAuthority,
  databaseConfigFromEnv,
  defaultRouter,
  type DatabaseConfig,
  type DatabaseObserver,
  type NodeConfig,
  type RoutedQuery,
  type Router,
} from './config.ts'
export {
  createDatabase,
  type Database,
  type DatabaseStats,
  type Queryable,
  type QueryOptions,
  type Session,
  type TransactionOptions,
} from './database.ts'
export { isConnectionError, isDiskFull, isSerializationFailure, RoutingError } from './errors.ts'
export { laterLsn, parseLsn, type Lsn } from './lsn.ts'

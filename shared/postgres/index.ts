export { connectDatabase, type DatabaseOptions } from './database.ts'
export { asDatabaseFailure, violatedConstraint } from './failures.ts'
export { lookup } from './lookup.ts'
export { postgresSubscriptions } from './subscriptions.ts'

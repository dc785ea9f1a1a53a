import { type Driver, PostgresDialect } from 'kysely'
import { currentWork } from '../context.ts'

/** PostgreSQL whose transactions end with what the work they belong to has to add: `WorkContext.beforeCommit`. */
export class HookedPostgresDialect extends PostgresDialect {
  override createDriver(): Driver {
    const driver = super.createDriver()
    const commit = driver.commitTransaction.bind(driver)
    driver.commitTransaction = async (connection) => {
      await currentWork()?.beforeCommit?.(connection)
      await commit(connection)
    }
    return driver
  }
}

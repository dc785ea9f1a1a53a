import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { migrateShared, sharedMigrations } from '@kiln/shared/postgres'
import { sql } from 'kysely'
import { loadConfig } from '../../../../src/config.ts'
import { connectServiceDatabase, type Database } from '../../../../src/infrastructure/database/connection.ts'
import {
  migrateDown,
  migrateUp,
  migrationStatus,
  migrations,
} from '../../../../src/infrastructure/database/migrations/index.ts'
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts'
import { testEnvironment } from '../../../support/service.ts'

const names = Object.keys(migrations)
const shared = Object.keys(sharedMigrations).map((name) => `shared/${name}`)
const all = [...shared, ...names]

let database: TestDatabase
let db: Database
beforeEach(async () => {
  database = await createTestDatabase()
  db = connectServiceDatabase(loadConfig(testEnvironment({ SERVICE_DATABASE_URL: database.url })))
})
afterEach(async () => {
  await db.destroy()
  await database.drop()
})

/** Everything that migrations make, by name. */
async function objects(): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select relkind::text || ' ' || relname as name from pg_class
      where relnamespace = 'public'::regnamespace and relname not like 'kysely%'
    union all select 'function ' || proname from pg_proc where pronamespace = 'public'::regnamespace
    union all select 'trigger ' || tgname from pg_trigger where not tgisinternal
    order by 1`.execute(db)
  return rows.map(({ name }) => name)
}

describe('the migrations', () => {
  test('are the files of their folder, in order', () => {
    const folder = new URL('../../../../src/infrastructure/database/migrations', import.meta.url)

    const files = readdirSync(folder).filter((name) => /^\d{4}-/.test(name))

    expect(files.map((name) => name.replace('.ts', '')).sort()).toEqual(names)
  })

  test('go up once, and down one by one to what the shared package has', async () => {
    await migrateShared(db)
    const others = await objects()
    const first = await migrateUp(db)
    const again = await migrateUp(db)
    const made = await objects()
    const reverted = []
    for (const _ of names) reverted.push(...(await migrateDown(db)))

    expect(first).toEqual(names)
    expect(again).toEqual([])
    expect(reverted).toEqual(names.toReversed())
    expect(await objects()).toEqual(others)
    expect(await migrateUp(db)).toEqual(names)
    expect(await objects()).toEqual(made)
  })

  test('of the shared package go up with ours, and never down', async () => {
    const applied = await migrateUp(db)
    for (const _ of [...names, 'one more']) await migrateDown(db)

    expect(applied).toEqual(all)
    expect(
      (await migrationStatus(db)).map(({ name, executedAt }) => [name, executedAt !== undefined]),
    ).toEqual(all.map((name) => [name, name.startsWith('shared/')]))
  })

  test('say which of them are missing', async () => {
    const before = await migrationStatus(db)
    await migrateUp(db)
    await migrateDown(db)
    const after = await migrationStatus(db)

    expect(before.map(({ executedAt }) => executedAt)).toEqual(all.map(() => undefined))
    expect(after.map(({ name, executedAt }) => [name, executedAt instanceof Date])).toEqual(
      all.map((name, index) => [name, index < all.length - 1]),
    )
  })

  test('are applied once by three processes that begin at the same time', async () => {
    const runs = await Promise.all([1, 2, 3].map(() => migrateInProcess()))

    expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0])
    const lines = runs.flatMap(({ output }) => output.trim().split('\n'))
    expect(lines.filter((line) => line.startsWith('applied')).sort()).toEqual(
      all.map((name) => `applied ${name}`).sort(),
    )
    // One process may apply the shared migrations and another one ours.
    expect(lines).toContain('nothing to do')
  })
})

async function migrateInProcess() {
  const main = Bun.fileURLToPath(new URL('../../../../src/main.ts', import.meta.url))
  const env = { PATH: process.env.PATH ?? '', SERVICE_DATABASE_URL: database.url }
  const child = spawn(process.execPath, [main, 'migrate', 'up'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  const exitCode = await new Promise((resolve) => child.once('close', resolve))
  return { exitCode, output }
}

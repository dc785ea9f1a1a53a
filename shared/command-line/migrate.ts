import type { Command } from 'commander'
import { jsonOption } from './options.ts'
import type { Screen } from './output.ts'

export interface MigrateCommandsOptions extends Pick<Screen, 'print'> {
  /** Applies what is missing; gives the names of what it applied. */
  readonly up: () => Promise<readonly string[]>
  /** Takes the newest migration back; gives its name, or none. */
  readonly down: () => Promise<readonly string[]>
  readonly status: () => Promise<readonly { readonly name: string; readonly executedAt?: Date | undefined }[]>
  /** Called when a migration is missing. */
  readonly missing: () => void
}

/** `migrate up|down|status`. */
export function addMigrateCommands(program: Command, options: MigrateCommandsOptions): void {
  const { print, up, down, status, missing } = options
  const migrate = program.command('migrate').description('bring the database schema up to date')
  const printNames = (verb: string, names: readonly string[]) =>
    print(names.length === 0 ? 'nothing to do' : names.map((name) => `${verb} ${name}`).join('\n'))
  migrate
    .command('up')
    .description('apply what is missing; safe from several processes at once')
    .action(async () => printNames('applied', await up()))
  migrate
    .command('down')
    .description('take the newest migration back')
    .action(async () => printNames('reverted', await down()))
  migrate
    .command('status')
    .description('list the migrations; exit code 1 while one is missing')
    .addOption(jsonOption())
    .action(async ({ json }: { json?: boolean }) => {
      const migrations = await status()
      if (migrations.some(({ executedAt }) => executedAt === undefined)) missing()
      const rows = migrations.map(({ name, executedAt = null }) => ({ name, applied_at: executedAt }))
      if (json) print(JSON.stringify(rows, null, 2))
      else for (const row of rows) print(`${row.name}  ${row.applied_at?.toISOString() ?? 'missing'}`)
    })
}

import {
  addEventCommands,
  addMigrateCommands,
  addOutboxCommands,
  addSecretsCommand,
  lesson,
} from '@kiln/shared/command-line'
import { AppError } from '@kiln/shared/errors'
import { outboxStatus } from '@kiln/shared/postgres'
import { eventDocsConfigKeys, openServiceOutbox, outboxConfigKeys } from '@kiln/shared/service'
import { ConfigurationError, type Environment } from '@kiln/shared/settings'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import { asyncApiOf } from './app.ts'
import { type CreateUserOptions, createUserWithPassword } from './commands/create-user.ts'
import { withServiceEvents } from './commands/events.ts'
import { findUnreadiness, healthcheckConfigKeys } from './commands/healthcheck.ts'
import { type Config, describeConfig, loadConfig } from './config.ts'
import {
  type Database,
  databaseConfigKeys,
  withAdministrativeDatabase,
} from './infrastructure/database/connection.ts'
import { migrateDown, migrateUp, migrationStatus } from './infrastructure/database/migrations/index.ts'
import { roles, type Schema } from './infrastructure/database/schema.ts'
import { registry } from './infrastructure/events.ts'
import { runtimeName } from './runtime.ts'

/** The parts that a process can take over. */
export const processRoles = ['http', 'consumers', 'relay'] as const
export type ProcessRole = (typeof processRoles)[number]

export interface ServeOptions {
  readonly migrate: boolean
  readonly roles: readonly ProcessRole[]
}

export interface CommandLineDependencies {
  readonly env: Environment
  /** Takes results; everything else goes to `stderr`. */
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  /** Whether somebody looks at `stderr`. */
  readonly isTerminal: boolean
  readonly readStdin: () => Promise<string>
  /** Runs until the process is told to stop; gives the exit code. */
  readonly serve: (config: Config, options: ServeOptions) => Promise<number>
  /** The OpenAPI document of the service. */
  readonly openApi: () => Promise<unknown>
}

/** `configuration` is `EX_CONFIG` of sysexits.h. */
const exitCodes = { done: 0, failed: 1, usage: 2, configuration: 78 } as const

/**
 * Runs one command, as it is typed after the program's name; none means `serve`.
 *
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration.
 */
export async function runCommandLine(
  args: readonly string[],
  dependencies: CommandLineDependencies,
): Promise<number> {
  const outcome = { exitCode: exitCodes.done as number }
  try {
    await createProgram(dependencies, outcome).parseAsync(args.length === 0 ? ['serve'] : [...args], {
      from: 'user',
    })
    return outcome.exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
    dependencies.stderr(`${explain(error)}\n`)
    return error instanceof ConfigurationError ? exitCodes.configuration : exitCodes.failed
  }
}

function createProgram(dependencies: CommandLineDependencies, outcome: { exitCode: number }): Command {
  const { env, stdout, stderr, isTerminal, readStdin, serve, openApi } = dependencies
  const print = (text: string) => stdout(`${text}\n`)
  const printJson = (value: unknown) => print(JSON.stringify(value, null, 2))
  const program = new Command(packageJson.name)
    .description(packageJson.description)
    .exitOverride()
    .configureOutput({ writeOut: stdout, writeErr: stderr })
    .showHelpAfterError('(--help shows what there is)')
    .addHelpText('afterAll', ({ command }) => lesson(command))

  program
    .command('serve')
    .description('run the service until SIGTERM or SIGINT; what no command means')
    .option('--migrate', 'apply missing migrations first', false)
    .option('--roles <roles>', `parts to run, of ${processRoles.join(', ')}`, parseRoles, [...processRoles])
    .action(async (options: ServeOptions) => {
      outcome.exitCode = await serve(loadConfig(env), options)
    })

  const withDatabase = <T>(work: (db: Database) => Promise<T>) =>
    withAdministrativeDatabase(loadConfig(env, databaseConfigKeys), work)
  addMigrateCommands(program, {
    print,
    up: () => withDatabase(migrateUp),
    down: () => withDatabase(migrateDown),
    status: () => withDatabase(migrationStatus),
    missing() {
      outcome.exitCode = exitCodes.failed
    },
  })

  program
    .command('users')
    .description('look after users')
    .command('create')
    .description('make a user who can log in; the way to the first admin')
    .requiredOption('--email <email>', 'e-mail to log in with')
    .addOption(new Option('--role <role>', 'what the user may do').choices(roles).default('applicant'))
    .option('--first-name <name>', 'first name', 'Admin')
    .option('--password-stdin', 'read the password from standard input; without it one is made and shown')
    .option('--if-missing', 'do nothing when the e-mail is taken')
    .option('--json', 'for programs')
    .action(({ json, ...options }: CreateUserOptions & { json?: boolean }) => {
      const config = loadConfig(env, [...databaseConfigKeys, ...outboxConfigKeys])
      return withAdministrativeDatabase(config, async (db) => {
        const dependencies = { db, events: openServiceOutbox<Schema>(config) }
        const { user, password } = await createUserWithPassword(dependencies, options, readStdin)
        if (json) printJson({ user: user ?? null, ...(password && { password }) })
        else if (user === undefined) print(`${options.email} exists already`)
        else
          print(
            `created user ${user.id}, ${options.email}, ${user.role}${password ? `, password ${password}` : ''}`,
          )
      })
    })

  addEventCommands(program, {
    print,
    stderr,
    isTerminal,
    registry,
    withEvents: (work) => withServiceEvents(env, stderr, ({ operations }) => work(operations)),
  })
  addOutboxCommands(program, {
    print,
    stderr,
    isTerminal,
    status: () => withDatabase(outboxStatus),
    withOutbox: (work) => withServiceEvents(env, stderr, ({ outbox }) => work(outbox)),
  })
  addSecretsCommand(program, { print })

  program
    .command('healthcheck')
    .description('exit code 0 when the service on this machine is ready')
    .action(async () => {
      const problem = await findUnreadiness(loadConfig(env, healthcheckConfigKeys))
      if (problem === undefined) return
      stderr(`${problem}\n`)
      outcome.exitCode = exitCodes.failed
    })
  program
    .command('openapi')
    .description('print the OpenAPI document')
    .action(async () => printJson(await openApi()))
  program
    .command('asyncapi')
    .description('print the AsyncAPI document')
    .action(() => printJson(asyncApiOf(loadConfig(env, eventDocsConfigKeys))))
  program
    .command('config')
    .description('print the effective configuration, secrets masked')
    .action(() => printJson(describeConfig(loadConfig(env))))
  program
    .command('version')
    .description('print name, version and runtime')
    .option('--json', 'for programs')
    .action(({ json }: { json?: boolean }) => {
      const { name, version } = packageJson
      if (json) printJson({ name, version, runtime: runtimeName })
      else print(`${name} ${version} (${runtimeName})`)
    })
  return program
}

function parseRoles(text: string): ProcessRole[] {
  return text.split(',').map((name) => {
    const role = processRoles.find((known) => known === name.trim())
    if (role === undefined) throw new InvalidArgumentError(`There are the roles ${processRoles.join(', ')}.`)
    return role
  })
}

/** Coded errors speak for themselves; of others the message is shown, never the stack. */
function explain(error: unknown): string {
  if (error instanceof AppError) return `${error.message} (${error.code})`
  return error instanceof Error ? error.message : 'failed'
}

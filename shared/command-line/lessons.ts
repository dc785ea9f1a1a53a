import type { Command } from 'commander'

interface Lesson {
  /** What the options do not say. */
  readonly note?: string
  /** As typed after the program's name. */
  readonly examples: readonly string[]
}

const database = 'Needs SERVICE_DATABASE_URL.'
const events = 'Needs SERVICE_DATABASE_URL and SERVICE_REDIS_URL.'

const lessons: Readonly<Record<string, Lesson>> = {
  '': {
    note: `Settings come from the environment alone; nothing is read from the working directory. Of each secret there is
also NAME_FILE, the path of a file that holds it: SERVICE_DATABASE_URL_FILE=/run/secrets/database-url`,
    examples: ['config', 'migrate up', 'users create --email you@example.org --role admin', 'serve'],
  },
  serve: {
    note: `Needs SERVICE_DATABASE_URL, SERVICE_REDIS_URL and SERVICE_JWT_SECRET_KEY.
SIGTERM and SIGINT finish what runs, then end it; SIGUSR2 turns DEBUG on and off. Every role serves /live, /ready,
/health and /metrics.`,
    examples: ['serve --migrate', 'serve --roles http', 'serve --roles consumers,relay'],
  },
  migrate: { note: database, examples: ['migrate up', 'migrate status --json'] },
  'migrate up': { note: database, examples: ['migrate up'] },
  'migrate down': { note: database, examples: ['migrate down'] },
  'migrate status': { note: database, examples: ['migrate status', 'migrate status --json'] },
  users: { examples: ['users create --email you@example.org --role admin'] },
  'users create': {
    note: database,
    examples: [
      'users create --email you@example.org --role admin',
      'users create --email you@example.org --role admin --password-stdin --if-missing < password.txt',
    ],
  },
  events: {
    note: 'The same is to be had over HTTP, below /api/events.',
    examples: ['events lag', 'events dead notify-dispatcher', 'events schemas --json'],
  },
  'events lag': { note: events, examples: ['events lag', 'events lag --json'] },
  'events replay': {
    note: `${events} A time is written as in 2026-01-31T12:00:00Z; an entry of the stream has its id.`,
    examples: [
      'events replay notify-dispatcher --last 100 --dry-run',
      'events replay notify-dispatcher --from 2026-01-31T12:00:00Z --rate 50',
      'events replay --list',
    ],
  },
  'events dead': {
    note: events,
    examples: [
      'events dead notify-dispatcher',
      'events dead notify-dispatcher 1767225600000-0',
      'events dead notify-dispatcher --error timeout --redrive',
      'events dead notify-dispatcher --all --purge',
    ],
  },
  'events parked': { note: events, examples: ['events parked notify-dispatcher --limit 10'] },
  'events pause': { note: events, examples: ['events pause notify-dispatcher'] },
  'events resume': { note: events, examples: ['events resume notify-dispatcher'] },
  'events schemas': { note: 'Needs no setting.', examples: ['events schemas', 'events schemas --json'] },
  'events rename-owner': {
    note: `${events} Stop the service under its old name first.`,
    examples: ['events rename-owner old-service'],
  },
  outbox: { examples: ['outbox status', 'outbox redrive --since 2026-01-31T12:00:00Z'] },
  'outbox status': { note: database, examples: ['outbox status', 'outbox status --json'] },
  'outbox redrive': { note: events, examples: ['outbox redrive --since 2026-01-31T12:00:00Z'] },
  secrets: {
    note: `Makes jwt-secret-key, database-password, redis-password and, for an address, the whole URL; mode 0440. Needs no setting.`,
    examples: [
      'secrets --dir /run/secrets',
      'secrets --dir /run/secrets --database-url postgres://service@postgres:5432/service --redis-url redis://redis:6379/0',
    ],
  },
  healthcheck: {
    note: `Asks /ready on SERVICE_OPERATIONS_PORT, else SERVICE_PORT, for three seconds at most. Needs no secret.`,
    examples: ['healthcheck'],
  },
  openapi: { note: 'Needs no setting.', examples: ['openapi > openapi.json'] },
  asyncapi: { note: 'Needs no setting.', examples: ['asyncapi > asyncapi.json'] },
  config: { note: 'Checks it as well: whatever is wrong is named.', examples: ['config'] },
  version: { note: 'Needs no setting.', examples: ['version', 'version --json'] },
}

/** What ends the help of a command: what it needs, examples, exit codes. */
export function lesson(command: Command): string {
  const path: string[] = []
  let at = command
  for (; at.parent; at = at.parent) path.unshift(at.name())
  const { note, examples = [] } = lessons[path.join(' ')] ?? {}
  return [
    ...(note === undefined ? [] : ['', note]),
    ...(examples.length === 0 ? [] : ['', 'Examples:', ...examples.map((line) => `  ${at.name()} ${line}`)]),
    '',
    'Exit codes: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration',
  ].join('\n')
}

/** What the consumer keeps beside the tables of the shared package. No key but the rows' own: nothing here refuses a duplicate. */
export interface ConsumerTables {
  /** What the consumer knows of a user: the newest event it applied. */
  readonly profiles: {
    readonly key: string
    readonly sequence: number
    readonly type: string
  }
  /** A row for each event that the handler of `profile` was run for to its end. */
  readonly effects: {
    readonly source: string
    readonly event_id: string
    readonly key: string
    readonly sequence: number
    /** False when a later event of the key had been applied before: it was dropped as stale. */
    readonly applied: boolean
  }
  /** A row for each delivery to `count`. */
  readonly deliveries: {
    readonly source: string
    readonly event_id: string
  }
}

export const consumerSchema = `
  create table profiles (key text primary key, sequence bigint not null, type text not null);
  create table effects (
    place bigint generated always as identity primary key, source text not null, event_id text not null, key text not null,
    sequence bigint not null, applied boolean not null, handled_at timestamptz not null default clock_timestamp());
  create table deliveries (
    place bigint generated always as identity primary key, source text not null, event_id text not null)`

/** How the consumer is run. */
export interface ConsumerSettings {
  readonly service: string
  readonly port: number
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly redisTimeoutMs: number
  readonly keepAliveMs: number
  readonly leaseMs: number
  readonly blockMs: number
  /** Of the events handled by `profile`, how many fail once after writing. */
  readonly failing: number
  /** Of the events handled by `count`, how many take `slowMs`. */
  readonly slow: number
  readonly slowMs: number
  /** What an event may cost `count`, crashes included, before it is a dead letter. */
  readonly attempts: number
}

/** The variable that carries the settings as JSON. */
export const settingsVariable = 'CHAOS_CONSUMER'

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { findIncompatibilities } from './compatibility.ts'
import type { EventContract } from './event.ts'
import { createRegistry } from './registry.ts'
import type { Schema } from './schema-reading.ts'
import { issuesOf } from './validation.ts'
import { convert, versionName, versionsOf } from './versions.ts'

export interface ContractFolder {
  /** Holds `schemas/<name>.v<version>.json`, superseded ones as `.v<version>.before-<n>.json`, and `golden.json`. */
  readonly folder: string
  readonly contracts: readonly EventContract[]
  /** Writes the snapshots that may be written; what breaks a mode is refused all the same. Default false. */
  readonly update?: boolean
}

/** What is wrong with a set of contracts, judged by the snapshots and golden payloads committed beside it; in words. */
export function findContractProblems({ folder, contracts, update = false }: ContractFolder): string[] {
  const schemas = join(folder, 'schemas')
  const problems = findRemoved(schemas, contracts)
  const wanted = createRegistry(contracts).jsonSchemas()
  for (const contract of contracts) {
    for (const version of versionsOf(contract)) {
      const name = versionName(contract, version)
      problems.push(...compareSnapshot(schemas, name, contract, wanted[name] as Schema, update))
    }
  }
  return [...problems, ...findGoldenProblems(folder, contracts, update)]
}

function findRemoved(schemas: string, contracts: readonly EventContract[]): string[] {
  return snapshotNames(schemas).flatMap((file) => {
    const [, name = '', version = ''] = /^(.+)\.v(\d+)(?:\.before-\d+)?\.json$/.exec(file) ?? []
    const contract = contracts.find((candidate) => candidate.name === name)
    if (contract && Object.hasOwn(contract.versions, version)) return []
    if (name === '') return [`${file} in ${schemas} is no snapshot`]
    const what = contract ? `version ${version} of ${name}` : `${name} version ${version}`
    return [`${what} was removed, and streams, archives and other services may still hold it`]
  })
}

function compareSnapshot(
  schemas: string,
  name: string,
  { compatibility }: EventContract,
  schema: Schema,
  update: boolean,
): string[] {
  const file = join(schemas, `${name}.json`)
  if (!existsSync(file)) {
    if (update) return write(file, schema)
    return [`${name} has no snapshot; bun run contracts:check --update writes it`]
  }
  const last = readJson(file)
  if (isDeepStrictEqual(last, schema)) return []
  const before = snapshotNames(schemas)
    .flatMap((other) => {
      const number = other.startsWith(`${name}.before-`) ? /before-(\d+)\.json$/.exec(other)?.[1] : undefined
      return number === undefined ? [] : [{ number: Number(number), schema: readJson(join(schemas, other)) }]
    })
    .toSorted((a, b) => a.number - b.number)
  const found = findIncompatibilities(compatibility, [...before.map((old) => old.schema), last], schema)
  if (found.length > 0)
    return found.map(({ path, reason }) => `${name}${path && ` ${path}`}: ${reason} (${compatibility})`)
  if (!update) return [`${name} changed compatibly; bun run contracts:check --update takes it over`]
  const next = (before.at(-1)?.number ?? 0) + 1
  write(join(schemas, `${name}.before-${next}.json`), last)
  return write(file, schema)
}

/** With `update` the payloads go of what has neither a contract nor a snapshot any more. */
function findGoldenProblems(folder: string, contracts: readonly EventContract[], update: boolean): string[] {
  const file = join(folder, 'golden.json')
  const golden = existsSync(file) ? readJson(file) : {}
  const names = new Set(
    contracts.flatMap((one) => versionsOf(one).map((version) => versionName(one, version))),
  )
  const strange = Object.keys(golden).filter((name) => !names.has(name))
  const gone = strange.filter((name) => !existsSync(join(folder, 'schemas', `${name}.json`)))
  if (update && gone.length > 0) {
    write(file, Object.fromEntries(Object.entries(golden).filter(([name]) => !gone.includes(name))))
    return findGoldenProblems(folder, contracts, false)
  }
  return [
    ...strange.map((name) => `${name} has a golden payload and no contract`),
    ...contracts.flatMap((contract) =>
      versionsOf(contract).flatMap((version) => {
        const name = versionName(contract, version)
        if (!Object.hasOwn(golden, name)) return [`${name} has no golden payload in ${file}`]
        return versionsOf(contract).flatMap((to) => tryConversion(contract, golden[name], version, to))
      }),
    ),
  ]
}

function tryConversion(contract: EventContract, payload: unknown, from: number, to: number): string[] {
  for (let step = from - 1; step >= to; step--) if (contract.downcast[step] === undefined) return []
  const schema = contract.versions[to]
  const what = `${versionName(contract, from)}: the golden payload${to === from ? '' : ` taken to version ${to}`}`
  try {
    const data = convert(contract, payload, from, to)
    return schema ? issuesOf(schema, data).map(({ path, message }) => `${what} ${path}: ${message}`) : []
  } catch (error) {
    return [`${what}: ${error instanceof Error ? error.message : String(error)}`]
  }
}

const snapshotNames = (folder: string) => (existsSync(folder) ? readdirSync(folder).toSorted() : [])
const readJson = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Schema

function write(file: string, schema: Schema): [] {
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, `${JSON.stringify(schema, null, 2)}\n`)
  return []
}

import { type Command, InvalidArgumentError, Option } from 'commander'
import { type FilledSecret, fillSecrets, type SecretAddresses } from '../security/secret-files.ts'
import { jsonOption } from './options.ts'
import type { Screen } from './output.ts'

/** `secrets --dir D`. */
export function addSecretsCommand(program: Command, { print }: Pick<Screen, 'print'>): void {
  const address = (flag: string, what: string) =>
    new Option(`--${flag} <url>`, `write ${flag} too: this address of ${what}, with its password`).argParser(
      parseAddress,
    )
  program
    .command('secrets')
    .description('fill a folder with random secrets, once; what is there is kept')
    .requiredOption('--dir <folder>', 'where to; made when it is missing')
    .addOption(address('database-url', 'PostgreSQL'))
    .addOption(address('redis-url', 'Redis'))
    .addOption(jsonOption())
    .action(async ({ dir, json, ...addresses }: SecretAddresses & { dir: string; json?: boolean }) => {
      const secrets = await fillSecrets(dir, addresses)
      print(json ? JSON.stringify(secrets, null, 2) : secrets.map(lineOf).join('\n'))
    })
}

function lineOf({ name, made }: FilledSecret): string {
  return `${made ? 'made' : 'kept'} ${name}`
}

/** @throws {InvalidArgumentError} */
function parseAddress(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url?.hostname || url.password)
    throw new InvalidArgumentError(
      'An address looks like postgres://user@host:5432/name, without a password.',
    )
  return url
}

# Between `docker compose config`, which writes today's format, and `docker stack deploy`, which reads an older one.
s/^( *cpus: )([0-9.]+)$/\1"\2"/
s/^( *published: )"([0-9]+)"$/\1\2/
/^ *host_ip: /d
/^name: /d

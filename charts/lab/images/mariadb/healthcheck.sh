#!/bin/sh
# As mariadb:10.11 has it: with --connect --innodb_initialized it ends with 0 once the server answers.
exec mariadb --no-defaults --protocol=tcp --host=127.0.0.1 --user="$MARIADB_USER" --password="$MARIADB_PASSWORD" \
  --connect-timeout=2 --execute 'SELECT 1' > /dev/null

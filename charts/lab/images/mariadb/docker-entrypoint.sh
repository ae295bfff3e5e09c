#!/bin/sh
# As mariadb:10.11 does: arguments are settings of the server; at the first start MARIADB_DATABASE is made, and
# MARIADB_USER with MARIADB_PASSWORD, to whom it belongs; with MARIADB_MYSQL_LOCALHOST_USER the process's own user may log in.
set -eu
data=/var/lib/mysql
case "${1:-}" in -* | '') set -- mariadbd "$@" ;; esac
if [ ! -e "$data/.made" ]; then
  mariadb-install-db --no-defaults --datadir="$data" --skip-test-db --auth-root-authentication-method=normal > /dev/null
  password=$(printf %s "$MARIADB_PASSWORD" | sed "s/[\\\\']/\\\\&/g")
  own=
  if [ -n "${MARIADB_MYSQL_LOCALHOST_USER:-}" ]; then
    own="CREATE USER IF NOT EXISTS mysql@localhost IDENTIFIED VIA unix_socket;
GRANT ${MARIADB_MYSQL_LOCALHOST_GRANTS:-USAGE} ON *.* TO mysql@localhost;"
  fi
  mariadbd --no-defaults --datadir="$data" --bootstrap <<SQL
FLUSH PRIVILEGES;
CREATE DATABASE IF NOT EXISTS \`$MARIADB_DATABASE\` CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
CREATE USER IF NOT EXISTS '$MARIADB_USER'@'%' IDENTIFIED BY '$password';
GRANT ALL ON \`$MARIADB_DATABASE\`.* TO '$MARIADB_USER'@'%';
$own
ALTER USER 'root'@'localhost' ACCOUNT LOCK;
SQL
  touch "$data/.made"
fi
shift
exec mariadbd --no-defaults --datadir="$data" --socket=/run/mysqld/mysqld.sock --bind-address=0.0.0.0 --skip-name-resolve "$@"

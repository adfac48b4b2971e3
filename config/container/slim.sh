#!/bin/sh
# Takes out of a virtualenv what an image has no use for: slim.sh VIRTUALENV. Half of it, and nothing that is ever loaded.
set -eu

cd "$1"/lib/python3*/site-packages

# Of the SDK's four hundred services those that we, or the SDK on its way to keys, may speak to.
cd botocore/data
for directory in */; do
    case ${directory%/} in
    sqs | ses | sesv2 | sns | sts | iam | cloudformation | cloudwatch | service-quotas | sso | sso-oidc | signin) ;;
    *) rm -r "$directory" ;;
    esac
done
cd ../..
rm -r boto3/data boto3/examples
find botocore/data -name 'examples-1.json' -delete

# Sources of what is compiled already, the libraries' own tests, databases that are none of ours, and the languages that rich
# could print in colours.
find . -type f \( -name '*.c' -o -name '*.cpp' -o -name '*.h' -o -name '*.hpp' -o -name '*.pxd' -o -name '*.pyx' \
    -o -name '*.pyi' \) -delete
rm -rf aioitertools/tests aiosqlite/tests alembic/testing asyncpg/_testbase greenlet/tests mako/testing pygal/test \
    sqlalchemy/testing pydantic/v1 sqlalchemy/dialects/mssql sqlalchemy/dialects/mysql sqlalchemy/dialects/oracle
find pygments/lexers -name '*.py' ! -name '__init__.py' ! -name '_mapping.py' ! -name 'python.py' ! -name 'special.py' -delete

# What cffi compiles with (its own library is beside it), and lists for an uninstallation that never comes.
rm -rf cffi pycparser
find . -path './*.dist-info/RECORD' -delete

find . -type f -name '*.so' -exec strip --strip-unneeded {} +

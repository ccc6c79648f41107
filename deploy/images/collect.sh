#!/bin/sh
# Run while an image is built: puts what a service has beyond the layers that all share under /own.
#   collect.sh SERVICE        /before lists what stands in the shared layers
set -eu
service=$1
case "${service}" in
  standalone) module=pairmill_standalone ;;
  *) module="pairmill_${service}" ;;
esac
# The service is chosen when the image is built, so that its start needs no argument.
printf '#!/bin/sh\nexec /opt/pairmill/bin/python -m %s "$@"\n' "${module}" > /opt/pairmill/bin/start
chmod 0755 /opt/pairmill/bin/start
install -m 0644 live.py /opt/pairmill/bin/live.py
/opt/pairmill/bin/python sbom.py "${service}" /base.status > /opt/pairmill/sbom.json
# What libraries bring for their own tests and for compilers.
find /opt/pairmill/lib -type d \( -name tests -o -name include \) -prune -exec rm -rf {} +
find /opt/pairmill | sort > /after
mkdir -p /own/opt/pairmill
comm -13 /before /after | sed 's|^/||' > /added
tar -C / -cf /added.tar --no-recursion -T /added # a file between, so that a failure ends the build
tar -C /own -xf /added.tar
# Folders that both have keep the rights they have; nothing of the build's own tools may be among it.
test ! -e /own/opt/pairmill/bin/pip

# Sourced by a shell that has a mount namespace and process ids of its own: from here on /etc, /root, /run, /usr/local, /var/lib and
# /var/backups are written to a memory that goes with it, and what this machine has in /usr/local/bin/ociregistry and its like is not seen.
mount -t tmpfs own-root /mnt
for path in /etc /root /usr/local /var/lib; do
  install -d "/mnt/upper$path" "/mnt/work$path"
  mount -t overlay own-root -o "lowerdir=$path,upperdir=/mnt/upper$path,workdir=/mnt/work$path" "$path"
done
for path in /run /var/backups; do mount -t tmpfs own-root "$path"; done
rm -rf /etc/ociregistry /etc/systemd/system/ociregistry* /usr/local/bin/ociregistry /usr/local/lib/node_modules/ociregistry /var/lib/ociregistry

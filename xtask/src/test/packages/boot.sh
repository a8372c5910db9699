# The guest's command: boots the Debian system with its own systemd, in namespaces of its own, and passes on what its check says.
set -eu
root=/debian
mkdir $root
mount -t tmpfs -o size=2g,mode=755 debian $root
tar -x -C $root -f /packages/system.tar
rm /packages/system.tar
mv /packages/ctpulse.* $root/root/
cp /packages/check.sh $root/root/
cp /packages/check.service $root/etc/systemd/system/
ln -s /etc/systemd/system/check.service $root/etc/systemd/system/multi-user.target.wants/
# No console to log in on, and none of the host's names.
ln -sf /dev/null $root/etc/systemd/system/getty.target
echo guest >$root/etc/hostname
mount --bind $root $root
# It ends with SIGINT when the system is switched off.
chroot $root unshare --fork --pid --mount --kill-child /lib/systemd/systemd --log-target=null || :
cat $root/root/said
exit "$(cat $root/root/status)"

# ciba-channel behind nginx, with a login, and fcgiwrap, as ciba-channel(1) shows it.

# Of the settings in the environment, at the address, for users whose password is NAME-password; $web has what curl needs
# to get there. The notifier leaves the last notice in the file `notice`, and does not end: serve_channel ADDRESS USER...
serve_channel() {
  command -v nginx > /dev/null || skip "nginx is not installed"
  command -v fcgiwrap > /dev/null || skip "fcgiwrap is not installed"
  printf '%s\n' "CIBA_ISSUER=$CIBA_ISSUER" "CIBA_CHANNEL_DIR=$CIBA_CHANNEL_DIR" "CIBA_CHANNEL_URL=$CIBA_CHANNEL_URL" \
    "CIBA_CHANNEL_SECRET=$CIBA_CHANNEL_SECRET" "CIBA_AUDIT=$CIBA_AUDIT" "SSL_CERT_FILE=${SSL_CERT_FILE:-}" > channel.env
  printf '#!/bin/sh\nexec %s -e %s --notify-command %s\n' "$(type -P ciba-channel)" "$PWD/channel.env" "$PWD/notifier" > channel
  printf '#!/bin/sh\ncat > %s/new && mv %s/new %s/notice\nread -r line < %s/hold\n' "$PWD" "$PWD" "$PWD" "$PWD" > notifier
  mkfifo hold
  chmod +x channel notifier
  local user
  for user in "${@:2}"; do printf '%s:%s\n' "$user" "$(openssl passwd -apr1 "$user-password")" >> users; done
  env -i PATH="$PATH" fcgiwrap -s "unix:$PWD/fcgi" > fcgi.log 2>&1 3>&- 4>&- 8>&- &
  started+=($!)
  cat > nginx.conf << END
daemon off; pid $PWD/nginx.pid; error_log $PWD/nginx.log; events {}
user $(id -un) $(id -gn);
http {
  access_log $PWD/access;
  client_body_temp_path $PWD/t1; proxy_temp_path $PWD/t2; fastcgi_temp_path $PWD/t3; uwsgi_temp_path $PWD/t4; scgi_temp_path $PWD/t5;
  server {
    listen $1;
    location /approve/ {
      auth_basic approve; auth_basic_user_file $PWD/users;
      include /etc/nginx/fastcgi_params;
      fastcgi_split_path_info ^(/approve)(/.*)\$;
      fastcgi_param PATH_INFO \$fastcgi_path_info; fastcgi_param REMOTE_USER \$remote_user;
      fastcgi_param SCRIPT_FILENAME $PWD/channel;
      fastcgi_pass unix:$PWD/fcgi;
    }
    location /approve/request/ {
      access_log off; keepalive_timeout 0;
      include /etc/nginx/fastcgi_params;
      fastcgi_split_path_info ^(/approve)(/.*)\$;
      fastcgi_param PATH_INFO \$fastcgi_path_info; fastcgi_param HTTP_AUTHORIZATION \$http_authorization;
      fastcgi_param SCRIPT_FILENAME $PWD/channel;
      fastcgi_pass unix:$PWD/fcgi;
    }
  }
}
END
  nginx -p "$PWD" -c "$PWD/nginx.conf" > nginx.out 2>&1 3>&- 4>&- 8>&- &
  started+=($!)
  await test -s nginx.pid || { cat nginx.out; return 1; }
  await test -S fcgi
}
web() {
  # shellcheck disable=SC2154 # set by the test
  curl -sS -m 150 "${web[@]}" "$@"
}

# What the last page, in the file `page`, has in its form: hidden NAME
hidden() {
  sed -n "s/.*name=\"$1\" value=\"\([^\"]*\)\".*/\1/p" page
}
